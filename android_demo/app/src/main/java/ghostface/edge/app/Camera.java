package ghostface.edge.app;

import android.annotation.SuppressLint;
import android.content.Context;
import android.graphics.ImageFormat;
import android.hardware.camera2.CameraAccessException;
import android.hardware.camera2.CameraCaptureSession;
import android.hardware.camera2.CameraCharacteristics;
import android.hardware.camera2.CameraDevice;
import android.hardware.camera2.CameraManager;
import android.hardware.camera2.CaptureRequest;
import android.hardware.camera2.params.StreamConfigurationMap;
import android.media.Image;
import android.media.ImageReader;
import android.os.Handler;
import android.os.HandlerThread;
import android.util.Size;
import android.view.Surface;
import android.view.SurfaceHolder;
import java.util.Arrays;

/**
 * One use of one camera, from {@link #open} to {@link #close}; for another, make another object.
 *
 * <p>Everything but the frames happens on the main thread, so no state is shared; what the camera reports after
 * {@link #close} is ignored.
 */
final class Camera {
    interface Listener {
        /** A frame, on the camera's thread; whoever gets it closes it. */
        void frame(Image image);

        /** There will be no frames, or no more; the camera is closed right after. */
        void failed(CameraProblem problem);
    }

    /** What is known of a camera before it is opened. */
    static final class Choice {
        final String id;
        final boolean front;
        /** {@code SENSOR_ORIENTATION}. */
        final int sensor;
        final int[] frame;
        final int[] preview;

        private Choice(String id, boolean front, int sensor, int[] frame, int[] preview) {
            this.id = id;
            this.front = front;
            this.sensor = sensor;
            this.frame = frame;
            this.preview = preview;
        }
    }

    /** One frame is worked on, one waits, one comes in. */
    private static final int BUFFERS = 3;

    private final CameraManager manager;
    private final Listener listener;
    private final Engines engines;
    private final Handler main;
    private final HandlerThread frames = new HandlerThread("camera frames");
    private CameraDevice device;
    private ImageReader reader;
    private boolean closed;

    Camera(Context context, Engines engines, Listener listener) {
        this.manager = context.getSystemService(CameraManager.class);
        this.engines = engines;
        this.listener = listener;
        this.main = new Handler(context.getMainLooper());
    }

    /**
     * The camera of a side, or one of the other side where there is none.
     *
     * @return null where the phone has no camera that will do
     */
    static Choice choose(Context context, boolean front) throws CameraAccessException {
        CameraManager manager = context.getSystemService(CameraManager.class);
        Choice other = null;
        for (String id : manager.getCameraIdList()) {
            Choice found = choice(manager.getCameraCharacteristics(id), id);
            if (found != null && found.front == front) {
                return found;
            }
            other = other == null ? found : other;
        }
        return other;
    }

    /** Whether the phone has cameras on both sides. */
    static boolean canSwitch(Context context) throws CameraAccessException {
        Choice front = choose(context, true);
        Choice back = choose(context, false);
        return front != null && back != null && front.front != back.front;
    }

    private static Choice choice(CameraCharacteristics camera, String id) {
        Integer facing = camera.get(CameraCharacteristics.LENS_FACING);
        Integer sensor = camera.get(CameraCharacteristics.SENSOR_ORIENTATION);
        StreamConfigurationMap map = camera.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP);
        if (map == null || sensor == null) {
            return null;
        }
        int[][] sizes = sizes(map.getOutputSizes(ImageFormat.YUV_420_888));
        if (sizes.length == 0) {
            return null;  // a depth sensor
        }
        int[] frame = CameraSizes.frame(sizes);
        int[] preview = CameraSizes.preview(sizes(map.getOutputSizes(SurfaceHolder.class)), frame);
        boolean front = facing != null && facing == CameraCharacteristics.LENS_FACING_FRONT;
        return new Choice(id, front, sensor, frame, preview);
    }

    private static int[][] sizes(Size[] sizes) {
        int[][] pairs = new int[sizes == null ? 0 : sizes.length][];
        for (int i = 0; i < pairs.length; i++) {
            pairs[i] = new int[] {sizes[i].getWidth(), sizes[i].getHeight()};
        }
        return pairs;
    }

    /**
     * Open it; once.
     *
     * @param preview a surface of {@link Choice#preview}'s size
     */
    @SuppressLint("MissingPermission")  // without it, a SecurityException is told as what it is
    void open(Choice choice, Surface preview) {
        frames.start();
        reader = ImageReader.newInstance(choice.frame[0], choice.frame[1], ImageFormat.YUV_420_888, BUFFERS);
        reader.setOnImageAvailableListener(source -> {
            Image image = source.acquireNextImage();
            if (image != null) {
                listener.frame(image);
            }
        }, new Handler(frames.getLooper()));
        try {
            manager.openCamera(choice.id, new CameraDevice.StateCallback() {
                @Override
                public void onOpened(CameraDevice opened) {
                    if (closed) {
                        opened.close();
                        return;
                    }
                    device = opened;
                    startSession(preview);
                }

                @Override
                public void onDisconnected(CameraDevice lost) {
                    lost.close();
                    fail(CameraProblem.IN_USE);  // another app of higher priority took it
                }

                @Override
                public void onError(CameraDevice broken, int error) {
                    broken.close();
                    fail(problem(error));
                }
            }, main);
        } catch (CameraAccessException error) {
            fail(problem(error));
        } catch (SecurityException error) {
            fail(CameraProblem.NOT_ALLOWED);
        } catch (IllegalArgumentException error) {
            fail(CameraProblem.FAILED);  // an external camera was unplugged since it was chosen
        }
    }

    @SuppressWarnings("deprecation")  // its successor came with Android 9
    private void startSession(Surface preview) {
        try {
            CaptureRequest.Builder request = device.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW);
            request.addTarget(preview);
            request.addTarget(reader.getSurface());
            request.set(CaptureRequest.CONTROL_AF_MODE, CaptureRequest.CONTROL_AF_MODE_CONTINUOUS_PICTURE);
            CameraCaptureSession.StateCallback callback = new CameraCaptureSession.StateCallback() {
                @Override
                public void onConfigured(CameraCaptureSession session) {
                    if (closed) {
                        return;
                    }
                    try {
                        session.setRepeatingRequest(request.build(), null, main);
                    } catch (CameraAccessException error) {
                        fail(problem(error));
                    } catch (IllegalStateException | IllegalArgumentException error) {
                        fail(CameraProblem.FAILED);  // the preview's surface went away meanwhile
                    }
                }

                @Override
                public void onConfigureFailed(CameraCaptureSession session) {
                    fail(CameraProblem.FAILED);
                }
            };
            device.createCaptureSession(Arrays.asList(preview, reader.getSurface()), callback, main);
        } catch (CameraAccessException error) {
            fail(problem(error));
        } catch (IllegalStateException | IllegalArgumentException error) {
            fail(CameraProblem.FAILED);
        }
    }

    private void fail(CameraProblem problem) {
        if (!closed) {
            listener.failed(problem);  // first: it stops taking frames, whose memory closing frees
            close();
        }
    }

    /** Give the camera back; closing twice does no harm. */
    void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (device != null) {
            device.close();
        }
        frames.quitSafely();
        if (reader != null) {
            engines.after(reader::close);  // not while a frame's memory is being read
        }
    }

    static CameraProblem problem(CameraAccessException error) {
        switch (error.getReason()) {
            case CameraAccessException.CAMERA_IN_USE:
            case CameraAccessException.MAX_CAMERAS_IN_USE:
            case CameraAccessException.CAMERA_DISCONNECTED:
                return CameraProblem.IN_USE;
            case CameraAccessException.CAMERA_DISABLED:
                return CameraProblem.DISABLED;
            default:
                return CameraProblem.FAILED;
        }
    }

    private static CameraProblem problem(int error) {
        switch (error) {
            case CameraDevice.StateCallback.ERROR_CAMERA_IN_USE:
            case CameraDevice.StateCallback.ERROR_MAX_CAMERAS_IN_USE:
                return CameraProblem.IN_USE;
            case CameraDevice.StateCallback.ERROR_CAMERA_DISABLED:
                return CameraProblem.DISABLED;
            default:
                return CameraProblem.FAILED;
        }
    }
}

package ghostface.edge.app;

import android.content.Context;
import ghostface.edge.Detection;
import java.util.ArrayList;
import java.util.List;

/** Shows {@link FoundFaces} in a {@link FaceView}. */
final class FacePhotos {
    private FacePhotos() {}

    /** @param found null for an empty view */
    static void show(FaceView view, FoundFaces found) {
        Context context = view.getContext();
        if (found == null) {
            view.show(null, 0, 0, false, new ArrayList<>());
            view.setForeground(context.getDrawable(R.drawable.no_photo));
            view.setContentDescription(context.getString(R.string.no_photo));
            return;
        }
        view.setForeground(null);
        List<FaceView.Mark> marks = new ArrayList<>();
        for (int i = 0; i < found.faces.size(); i++) {
            Detection face = found.faces.get(i);
            int colour = context.getColor(i == found.chosen ? R.color.box_chosen : R.color.box);
            String label = found.faces.size() < 2 ? "" : Integer.toString(i + 1);
            marks.add(new FaceView.Mark(face.box, label, colour));
        }
        view.show(Photos.bitmap(found.preview), found.photo.width, found.photo.height, false, marks);
        int count = found.faces.size();
        view.setContentDescription(context.getResources()
                .getQuantityString(R.plurals.photo_with_faces, count, count, found.chosen + 1));
    }
}

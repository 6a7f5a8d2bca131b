package ghostface.edge;

import ghostface.edge.errors.OptionException;

/** Where the pixels of a picture come to lie when it is turned, and then perhaps mirrored. */
final class Turn {
    /** Columns afterwards. */
    final int width;
    /** Rows afterwards. */
    final int height;
    /** Place of the pixel that was the first, counted in pixels, row by row. */
    final int start;
    /** From the place of a pixel to that of its former right neighbour. */
    final int across;
    /** From the place of a pixel to that of its former lower neighbour. */
    final int down;

    /**
     * @param width    columns before
     * @param height   rows before
     * @param rotation degrees clockwise: 0, 90, 180 or 270
     * @param mirrored whether left and right change places after the rotation
     * @throws OptionException another rotation
     */
    Turn(int width, int height, int rotation, boolean mirrored) {
        // Column and row of the first pixel, and the steps of both for one pixel to the right; one pixel down is a
        // quarter turn further.
        int column;
        int row;
        int columnStep;
        int rowStep;
        switch (rotation) {
            case 0:
                column = 0;
                row = 0;
                columnStep = 1;
                rowStep = 0;
                break;
            case 90:
                column = height - 1;
                row = 0;
                columnStep = 0;
                rowStep = 1;
                break;
            case 180:
                column = width - 1;
                row = height - 1;
                columnStep = -1;
                rowStep = 0;
                break;
            case 270:
                column = 0;
                row = width - 1;
                columnStep = 0;
                rowStep = -1;
                break;
            default:
                throw new OptionException("rotation=" + rotation + " is none of 0, 90, 180, 270 degrees");
        }
        boolean upright = rowStep == 0;
        this.width = upright ? width : height;
        this.height = upright ? height : width;
        int sign = mirrored ? -1 : 1;
        this.start = row * this.width + (mirrored ? this.width - 1 - column : column);
        this.across = rowStep * this.width + sign * columnStep;
        this.down = columnStep * this.width - sign * rowStep;
    }
}

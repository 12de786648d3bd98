// A mask as `hizumi fit` takes it: white where regions are, black elsewhere, of the picture's size.

/** How much of the picture the regions cover, as a share. */
export function covered(regions, { width, height }, longest = 512) {
  const scale = Math.min(1, longest / Math.max(width, height));
  const { data } = raster(regions, Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)), scale);
  let white = 0;
  for (let place = 0; place < data.length; place += 4) white += data[place] > 0;
  return white / (data.length / 4);
}

/** A PNG of the mask. */
export async function maskOf(regions, { width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(raster(regions, width, height, 1), 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** A pixel is white where a region covers half of it or more: grey edges would count as white, and widen the mask. */
function raster(regions, width, height, scale) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.scale(scale, scale);
  for (const region of regions) {
    context.beginPath();
    for (const [x, y] of region) context.lineTo(x, y);
    context.fill();
  }
  const image = context.getImageData(0, 0, width, height);
  for (let place = 0; place < image.data.length; place += 4) {
    image.data.fill(image.data[place + 3] >= 128 ? 255 : 0, place, place + 3);
    image.data[place + 3] = 255;
  }
  return image;
}

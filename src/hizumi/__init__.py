"""hizumi (歪み, distortion): learn what normal looks like, then show what is not."""

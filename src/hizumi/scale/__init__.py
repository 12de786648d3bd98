"""Beyond one machine, on Ray: archives of images, many fits, one large fit."""

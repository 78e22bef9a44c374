# No getty is started, so the program has no place on the root either.
RDEPENDS:${PN}:remove:edge = "util-linux-agetty"

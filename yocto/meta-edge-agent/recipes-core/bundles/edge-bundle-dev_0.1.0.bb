SUMMARY = "The signed update bundle of edge-image-dev"
DESCRIPTION = "For units on a desk; a unit in the field refuses it, since its compatible is another."

require edge-bundle.inc

RAUC_BUNDLE_COMPATIBLE = "edge-development-${MACHINE}"
RAUC_SLOT_rootfs = "edge-image-dev"

SUMMARY = "The signed update bundle of edge-image"
DESCRIPTION = "Format verity: a unit checks every block against the signed manifest while it reads it."

require edge-bundle.inc

RAUC_BUNDLE_COMPATIBLE = "edge-${MACHINE}"
RAUC_SLOT_rootfs = "edge-image"

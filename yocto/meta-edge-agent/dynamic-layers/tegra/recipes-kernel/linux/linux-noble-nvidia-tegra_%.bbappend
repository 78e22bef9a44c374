FILESEXTRAPATHS:prepend:edge := "${EDGE_LAYER}/recipes-kernel/linux/files:"

SRC_URI:append:edge = " file://edge.cfg"

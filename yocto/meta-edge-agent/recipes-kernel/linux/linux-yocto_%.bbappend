FILESEXTRAPATHS:prepend:edge := "${THISDIR}/files:"

SRC_URI:append:edge = " file://edge.cfg"

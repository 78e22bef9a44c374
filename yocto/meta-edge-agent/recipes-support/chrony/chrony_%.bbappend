FILESEXTRAPATHS:prepend:edge := "${THISDIR}/files:"

FILESEXTRAPATHS:prepend:edge := "${THISDIR}/files:"

# The environment lies twice in the gap before the first partition, not in a file on FAT: a write that is cut leaves
# the other copy.
SRC_URI:append:rpi:edge = " file://environment.cfg"

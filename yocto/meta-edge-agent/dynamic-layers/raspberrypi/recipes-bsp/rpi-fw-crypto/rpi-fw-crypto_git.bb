SUMMARY = "Asks the Raspberry Pi's firmware for what it does with the chip's device key"
DESCRIPTION = "One program of the board maker's collection, which the layer of the board builds at an older state without it."
SECTION = "bsp"
LICENSE = "BSD-3-Clause"
LIC_FILES_CHKSUM = "file://LICENCE;md5=4c01239e5c3a3d133858dedacdbca63c"

DEPENDS = "gnutls"

PV = "1.0+git"

SRC_URI = "git://github.com/raspberrypi/utils;protocol=https;branch=master"
SRCREV = "a30e7c7b227d9a5e6dbedc1d343077be7ad92959"

inherit cmake

COMPATIBLE_MACHINE = "^rpi$"

OECMAKE_SOURCEPATH = "${S}/rpifwcrypto"
# The program is all that is wanted, without a library beside it.
EXTRA_OECMAKE = "-DBUILD_SHARED_LIBS=OFF"

SUMMARY = "The data partition's key from the Raspberry Pi's one-time-programmable memory"
DESCRIPTION = "Asks the firmware for an HMAC under the device key that the factory burnt; nothing is stored."
SECTION = "base"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

SRC_URI = "file://data-key"

S = "${UNPACKDIR}"

COMPATIBLE_MACHINE = "^rpi$"
PACKAGE_ARCH = "${MACHINE_ARCH}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0755 ${S}/data-key ${D}${libexecdir}/edge-agent/data-key
}

FILES:${PN} += "${libexecdir}/edge-agent"
RDEPENDS:${PN} = "rpi-fw-crypto"

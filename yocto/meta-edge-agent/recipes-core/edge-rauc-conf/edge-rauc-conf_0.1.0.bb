SUMMARY = "RAUC's configuration and the keyring that bundles are verified with"
DESCRIPTION = "Slots, boot state and version floor of the board; only bundles in format verity are taken."
SECTION = "base"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

SRC_URI = "file://system.conf.in file://boot-state.conf"

S = "${UNPACKDIR}"

PACKAGE_ARCH = "${MACHINE_ARCH}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install[file-checksums] += "${EDGE_KEYS}/keyring.pem:False"

do_install() {
    [ -f "${EDGE_KEYS}/keyring.pem" ] || \
        bbfatal "${EDGE_KEYS}/keyring.pem is not there: run yocto/development-keys, or point EDGE_KEYS at your own"
    install -d ${D}${nonarch_libdir}/rauc
    sed -e 's!@FLOOR@!${EDGE_BUNDLE_FLOOR}!' ${S}/system.conf.in >${D}${nonarch_libdir}/rauc/system.conf
    # How this board keeps its boot state.
    sed -i -e '/^@BOOT_STATE@$/{r ${S}/boot-state.conf' -e 'd}' ${D}${nonarch_libdir}/rauc/system.conf
    install -m 0644 "${EDGE_KEYS}/keyring.pem" ${D}${nonarch_libdir}/rauc/keyring.pem
}

FILES:${PN} += "${nonarch_libdir}/rauc"
RPROVIDES:${PN} += "virtual-rauc-conf"

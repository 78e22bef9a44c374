SUMMARY = "U-Boot's script that chooses the slot and counts the attempts"
DESCRIPTION = "Takes the first slot of BOOT_ORDER with attempts left; RAUC's backend uboot writes the same variables."
SECTION = "bootloaders"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

DEPENDS = "u-boot-mkimage-native"

PROVIDES += "u-boot-default-script"

SRC_URI = "file://boot.cmd"

S = "${UNPACKDIR}"

COMPATIBLE_MACHINE = "^rpi$"

inherit kernel-arch deploy nopackages

do_configure[noexec] = "1"
do_install[noexec] = "1"

do_compile() {
    mkimage -A ${UBOOT_ARCH} -T script -C none -n "slots" -d ${S}/boot.cmd ${B}/boot.scr
}

do_deploy() {
    install -D -m 0644 ${B}/boot.scr ${DEPLOYDIR}/boot.scr
}
addtask deploy after do_compile before do_build

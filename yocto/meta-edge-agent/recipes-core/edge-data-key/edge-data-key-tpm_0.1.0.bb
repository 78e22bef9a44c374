SUMMARY = "The data partition's key from the board's TPM 2.0"
DESCRIPTION = "Has the TPM derive the key from the seed of its owner hierarchy; nothing is stored."
SECTION = "base"
LICENSE = "Apache-2.0 | MIT"

SRC_URI = ""

S = "${UNPACKDIR}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

# The program comes with the agent, whose crates it is built from; a board that names this package uses it.
do_install() {
    install -d ${D}${libexecdir}/edge-agent
    ln -s edge-data-key ${D}${libexecdir}/edge-agent/data-key
}

FILES:${PN} += "${libexecdir}/edge-agent"
RDEPENDS:${PN} = "edge-agent"

SUMMARY = "ONNX Runtime's shared library"
DESCRIPTION = "The CPU build out of the wheel that the agent's tests run with; version and hash as in edge-agent/setup."
HOMEPAGE = "https://onnxruntime.ai"
SECTION = "libs"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://onnxruntime/LICENSE;md5=0f7e3b1308cb5c00b372a6e78835732d"

# The class knows where the package index keeps its files; a wheel lies beside the sources.
EDGE_WHEEL = "onnxruntime-${PV}-cp311-cp311-manylinux_2_28_aarch64.whl"
PYPI_PACKAGE = "onnxruntime"
PYPI_SRC_URI = "${@pypi_src_uri(d).partition('/source/')[0]}/cp311/o/onnxruntime/${EDGE_WHEEL};downloadfilename=onnxruntime-${PV}-aarch64.zip;subdir=${BP}"

inherit pypi

SRC_URI[sha256sum] = "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3"
CVE_PRODUCT = "onnxruntime"

COMPATIBLE_HOST = "aarch64.*-linux"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    # Where the agent looks first, and not where the linker looks: it is loaded by name at run time.
    install -D -m 0644 ${S}/onnxruntime/capi/libonnxruntime.so.${PV} \
        ${D}${nonarch_libdir}/edge-agent/libonnxruntime.so.${PV}
}

FILES:${PN} += "${nonarch_libdir}/edge-agent"

INHIBIT_PACKAGE_STRIP = "1"
INHIBIT_PACKAGE_DEBUG_SPLIT = "1"
# Built by its maintainers with their own linker flags.
# nooelint: oelint.vars.insaneskip
INSANE_SKIP:${PN} = "already-stripped ldflags"

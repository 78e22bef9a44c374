FILESEXTRAPATHS:prepend := "${THISDIR}/files:"

SRC_URI:append:tegra = " file://nvbootctrl-backend file://handlers.conf"

do_install:append:tegra() {
    install -D -m 0755 ${S}/nvbootctrl-backend ${D}${libexecdir}/edge-agent/nvbootctrl-backend
    # NVIDIA's layout names its two root partitions so.
    sed -i -e 's!by-partlabel/rootfs.0!by-partlabel/APP!' -e 's!by-partlabel/rootfs.1!by-partlabel/APP_b!' \
        ${D}${nonarch_libdir}/rauc/system.conf
    cat ${S}/handlers.conf >>${D}${nonarch_libdir}/rauc/system.conf
}

FILES:${PN}:append:tegra = " ${libexecdir}/edge-agent"
RDEPENDS:${PN}:append:tegra = " tegra-redundant-boot-base"

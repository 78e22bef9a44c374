SUMMARY = "What makes a plain system the appliance"
DESCRIPTION = "Persist, encrypted data, identity, networks and packet filter: what only the image needs."
SECTION = "base"

require recipes-core/edge-agent/edge-source.inc

inherit systemd

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    for unit in ${S}/systemd/edge-announce.service ${S}/systemd/edge-firewall.service ${S}/systemd/edge-site.service \
            ${S}/systemd/edge-data-key* ${S}/systemd/edge-clock-reference.service ${S}/systemd/*.mount; do
        install -D -m 0644 -t ${D}${systemd_system_unitdir} "$unit"
    done
    install -D -m 0755 ${S}/systemd/mount.edge-data ${D}${base_sbindir}/mount.edge-data
    install -D -m 0755 ${S}/systemd/edge-site ${D}${libexecdir}/edge-agent/edge-site
    install -D -m 0644 ${S}/systemd/crypttab ${D}${sysconfdir}/crypttab
    install -D -m 0644 ${S}/systemd/data.repart.conf ${D}${nonarch_libdir}/repart.d/50-data.conf
    install -D -m 0644 ${S}/systemd/repart-with-key.conf \
        ${D}${systemd_system_unitdir}/systemd-repart.service.d/50-key.conf
    install -D -m 0644 ${S}/systemd/cryptsetup-with-key.conf \
        ${D}${systemd_system_unitdir}/systemd-cryptsetup@data.service.d/50-key.conf
    install -D -m 0644 ${S}/systemd/edge-agent.page.conf \
        ${D}${systemd_system_unitdir}/edge-agent.service.d/50-page.conf
    # Parts of the board: who may open pins and buses, and what makes the buses' nodes.
    install -D -m 0644 ${S}/systemd/70-edge-board.rules ${D}${nonarch_base_libdir}/udev/rules.d/70-edge-board.rules
    install -D -m 0644 ${S}/systemd/edge-board.modules.conf ${D}${nonarch_libdir}/modules-load.d/edge-board.conf
    install -D -m 0644 ${S}/systemd/edge-agent.board.conf \
        ${D}${systemd_system_unitdir}/edge-agent.service.d/50-board.conf
    install -D -m 0644 -t ${D}${datadir}/edge-agent ${S}/systemd/clock-reference.conf
    # The root is read-only: what is mounted there needs its place beforehand.
    install -d ${D}/persist ${D}${sysconfdir}/edge-agent
}

SYSTEMD_PACKAGES = "${PN}"
SYSTEMD_SERVICE:${PN} = " \
    edge-announce.service edge-clock-reference.service edge-data-key.socket edge-firewall.service persist.mount \
    etc-hostname.mount \
"

# systemctl at image time does not unescape these names, so their links are made here.
do_install:append() {
    wants=${D}${systemd_system_unitdir}
    install -d $wants/local-fs.target.wants $wants/multi-user.target.wants
    ln -s '../etc-edge\x2dagent.mount' $wants/local-fs.target.wants/
    ln -s '../var-lib-edge\x2dagent.mount' $wants/multi-user.target.wants/
}

FILES:${PN} += "\
    ${base_sbindir}/mount.edge-data \
    ${systemd_system_unitdir} ${libexecdir}/edge-agent ${nonarch_base_libdir}/udev ${nonarch_libdir}/modules-load.d \
    ${nonarch_libdir}/repart.d ${datadir}/edge-agent /persist \
"
RDEPENDS:${PN} = "cryptsetup edge-agent nftables util-linux-mount"

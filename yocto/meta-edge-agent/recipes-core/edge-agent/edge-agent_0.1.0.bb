SUMMARY = "The edge video appliance's agent"
DESCRIPTION = "Receives cameras, finds road users and plates on the box, keeps the video and reports to the center."
SECTION = "multimedia"

require edge-source.inc
require edge-agent-crates.inc

DEPENDS += "glib-2.0 gstreamer1.0 gstreamer1.0-plugins-base"

inherit cargo pkgconfig systemd useradd

# The workspace also holds the center and the tests; the box gets the agent, and what asks a TPM for the key of data.
CARGO_BUILD_FLAGS += "--bin edge-agent --bin edge-data-key"

do_install() {
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/edge-agent ${D}${bindir}/edge-agent
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/edge-data-key ${D}${libexecdir}/edge-agent/edge-data-key
    for unit in edge-agent.service edge-first-boot.service edge-mark-good.service edge-reboot.path edge-reboot.service \
        edge-update.path edge-update.service edge-clock.service edge-clock.timer edge-wear.service edge-wear.timer; do
        install -D -m 0644 ${S}/systemd/$unit ${D}${systemd_system_unitdir}/$unit
    done
    # The agent's user may ask RAUC's service, others may not. RAUC's own policy lies in datadir, which is read before.
    install -D -m 0644 ${S}/systemd/de.pengutronix.rauc.edge.conf \
        ${D}${sysconfdir}/dbus-1/system.d/de.pengutronix.rauc.edge.conf
    install -D -m 0755 ${S}/systemd/edge-first-boot ${D}${libexecdir}/edge-agent/edge-first-boot
    install -D -m 0755 ${S}/systemd/edge-wear ${D}${libexecdir}/edge-agent/edge-wear
    install -D -m 0644 ${S}/systemd/edge-agent.sysusers.conf ${D}${nonarch_libdir}/sysusers.d/edge-agent.conf
    install -D -m 0644 ${S}/systemd/edge-agent.tmpfiles.conf ${D}${nonarch_libdir}/tmpfiles.d/edge-agent.conf
    install -D -m 0644 ${S}/edge-agent/docs/edge-agent.example.toml \
        ${D}${datadir}/edge-agent/edge-agent.example.toml
    # The root is read-only: what is mounted there needs its place beforehand.
    install -d -m 0700 -o edge -g edge ${D}${localstatedir}/lib/edge-agent
}

SYSTEMD_PACKAGES = "${PN}"
SYSTEMD_SERVICE:${PN} = "edge-agent.service edge-first-boot.service edge-mark-good.service edge-reboot.path edge-update.path \
    edge-clock.timer edge-wear.timer"

USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system edge; --system gpio; --system i2c"
USERADD_PARAM:${PN} = "--system --no-create-home --home-dir ${localstatedir}/lib/edge-agent \
    --shell ${sbindir}/nologin --gid edge --comment 'Edge video appliance agent' edge"

FILES:${PN} += "\
    ${libexecdir}/edge-agent \
    ${localstatedir}/lib/edge-agent \
    ${nonarch_libdir}/sysusers.d \
    ${nonarch_libdir}/tmpfiles.d \
    ${systemd_system_unitdir}/edge-clock.service \
    ${systemd_system_unitdir}/edge-reboot.service \
    ${systemd_system_unitdir}/edge-update.service \
    ${systemd_system_unitdir}/edge-wear.service \
"

# Decoders and parsers are plugins that the agent asks for by name; edge-wear.service asks an NVMe drive by nvme-cli.
RDEPENDS:${PN} = " \
    edge-models \
    glib-networking \
    gstreamer1.0-libav \
    gstreamer1.0-plugins-bad \
    gstreamer1.0-plugins-base \
    gstreamer1.0-plugins-good \
    nvme-cli \
    onnxruntime \
"

SUMMARY = "Networks of the appliance: uplink, service port, names, packet filter"
DESCRIPTION = "DHCP client on the uplink; on the service port a DHCP server and the unit's name over mDNS."
SECTION = "net"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

SRC_URI = " \
    file://10-service.link \
    file://10-service.network \
    file://20-uplink.network \
    file://50-edge-resolved.conf \
    file://80-edge-page.conf \
    file://edge.dnssd \
    file://nftables.conf \
    file://development.nft \
"

S = "${UNPACKDIR}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

PACKAGES =+ "${PN}-development"

do_install() {
    install -D -m 0644 -t ${D}${systemd_unitdir}/network ${S}/10-service.link ${S}/10-service.network ${S}/20-uplink.network
    install -D -m 0644 ${S}/50-edge-resolved.conf ${D}${systemd_unitdir}/resolved.conf.d/50-edge.conf
    install -D -m 0644 ${S}/80-edge-page.conf ${D}${nonarch_libdir}/sysctl.d/80-edge-page.conf
    install -D -m 0644 ${S}/edge.dnssd ${D}${systemd_unitdir}/dnssd/edge.dnssd
    install -D -m 0644 ${S}/nftables.conf ${D}${sysconfdir}/nftables.conf
    install -D -m 0644 ${S}/development.nft ${D}${sysconfdir}/nftables.d/development.nft
}

FILES:${PN} += "\
    ${systemd_unitdir}/network ${systemd_unitdir}/resolved.conf.d ${systemd_unitdir}/dnssd \
    ${nonarch_libdir}/sysctl.d ${sysconfdir}/nftables.conf \
"
# Opens ssh on the service port; only the image for a desk has it.
FILES:${PN}-development += "${sysconfdir}/nftables.d"
RDEPENDS:${PN} = "nftables"
RDEPENDS:${PN}-development = "${PN}"

SUMMARY = "The image for a desk: with ssh and a debugger, and it says so on the network"
DESCRIPTION = "Another compatible, so that neither kind of unit takes the other's bundles; never for the field."

require edge-image.inc

EDGE_IMAGE_KIND = "development"
RAUC_COMPATIBLE = "edge-development-${MACHINE}"

IMAGE_INSTALL += "openssh-sshd openssh-sftp-server gdb strace edge-network-development"

# Who may log in: a public key from outside the layer. No password exists, so without it nobody can.
EDGE_DEVELOPER_KEY ?= "${EDGE_KEYS}/developer.pub"
do_rootfs[file-checksums] += "${EDGE_DEVELOPER_KEY}:False"
ROOTFS_POSTPROCESS_COMMAND += "edge_let_developer_in"

edge_let_developer_in() {
    if [ -f "${EDGE_DEVELOPER_KEY}" ]; then
        install -D -m 0600 "${EDGE_DEVELOPER_KEY}" ${IMAGE_ROOTFS}${ROOT_HOME}/.ssh/authorized_keys
    else
        bbwarn "${EDGE_DEVELOPER_KEY} is not there: nobody will be able to log in"
    fi
    for file in issue issue.net motd; do
        echo 'DEVELOPMENT IMAGE: not for the field' >${IMAGE_ROOTFS}${sysconfdir}/$file
    done
    echo edge-development >${IMAGE_ROOTFS}${sysconfdir}/hostname
}

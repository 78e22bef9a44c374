# Chooses a slot: the first of BOOT_ORDER that has attempts left. Saved before the kernel starts, so that a kernel that
# hangs has used its attempt up.
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3

setenv slot
for candidate in ${BOOT_ORDER}; do
    if test -n "${slot}"; then
        # chosen already
        true
    elif test "${candidate}" = A && test ${BOOT_A_LEFT} -gt 0; then
        setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
        setenv slot A
        setenv root rootfs.0
    elif test "${candidate}" = B && test ${BOOT_B_LEFT} -gt 0; then
        setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
        setenv slot B
        setenv root rootfs.1
    fi
done

# No slot has attempts left. Standing still would need a visit: begin again with what is there.
if test -z "${slot}"; then
    setenv BOOT_A_LEFT 3
    setenv BOOT_B_LEFT 3
    saveenv
    reset
fi
saveenv

# What the firmware found out about the board stays; the root is ours.
fdt addr ${fdt_addr}
fdt get value bootargs /chosen bootargs
setenv bootargs "${bootargs} root=PARTLABEL=${root} rootfstype=ext4 ro rauc.slot=${slot} panic=10"
part number mmc 0 ${root} number
load mmc 0:${number} ${kernel_addr_r} /boot/Image
booti ${kernel_addr_r} - ${fdt_addr}
# A slot without a kernel has used an attempt up like any other.
reset

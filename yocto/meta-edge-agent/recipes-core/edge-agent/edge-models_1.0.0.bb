SUMMARY = "The three models of the edge video appliance"
DESCRIPTION = "Road objects, plates and plate texts: manifests, weights, cards and the pictures they are tested with."
SECTION = "multimedia"

require edge-source.inc

inherit allarch

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    for model in road-objects plates plate-text; do
        to=${D}${datadir}/edge-agent/models/$model
        install -d $to/golden
        install -m 0644 ${S}/models/$model/manifest.json ${S}/models/$model/CARD.md ${S}/models/$model/*.onnx $to
        # The agent refuses a model that does not give these outputs on this board.
        install -m 0644 ${S}/models/$model/golden/* $to/golden
    done
}

FILES:${PN} += "${datadir}/edge-agent/models"

#include "classify/mask_writer.h"

#include <filesystem>
#include <string>
#include <vector>

#include "classify/mask_sheet.h"
#include "classify/table.h"

namespace sluice::classify {

Status write_masks(const Classifier& classifier, const Classification& result, MaskFolder& folder) {
    const std::filesystem::path picture = result.file;
    const std::vector<std::string> caption = {
        picture.filename().string(),
        result.names[0] + " " + format_percent(result.best[0].probability),
        "MACs skipped " + format_percent(result.skipped_share())};
    const std::vector<GateMap> maps = classifier.gate_maps();
    return picture::write_png(folder.name_for(picture),
                              draw_mask_sheet(classifier.input(), maps, caption));
}

}  // namespace sluice::classify

#include "classify/mask_writer.h"

#include <filesystem>
#include <string>

#include "classify/mask_sheet.h"
#include "classify/table.h"

namespace sluice::classify {

Result<std::vector<std::uint8_t>> draw_masks(const Classifier& classifier,
                                             const Classification& result) {
    const std::filesystem::path image = result.file;
    const std::string answer =
        result.best.empty() ? "score " + format_score(result.scores[0])
                            : result.names[0] + " " + format_percent(result.best[0].probability);
    const std::vector<std::string> caption = {
        image.filename().string(), answer,
        "MACs skipped " + format_percent(result.skipped_share())};
    const std::vector<GateMap> maps = classifier.gate_maps();
    return image::encode_png(draw_mask_sheet(classifier.input(), maps, caption));
}

}  // namespace sluice::classify

#include "common/command_line.h"

namespace sluice::apps {

Result<std::optional<std::string>> parse_command_line(CLI::App& app, int argc,
                                                      const char* const* argv,
                                                      const std::string& remedy) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return std::optional(app.help());
    } catch (const CLI::CallForVersion& version) {
        return std::optional(version.what() + std::string("\n"));
    } catch (const CLI::ParseError& error) {
        // The text of CLI11's failure may span lines; its first says what is wrong.
        const std::string text = error.what();
        return Status::error(text.substr(0, text.find('\n')), remedy);
    }
    return std::optional<std::string>();
}

}  // namespace sluice::apps

#include <google/protobuf/stubs/common.h>

namespace {

/// What protobuf has made when the library was loaded, because a process may unload it and load it
/// again.
[[gnu::destructor]] void free_protobuf() { google::protobuf::ShutdownProtobufLibrary(); }

}  // namespace

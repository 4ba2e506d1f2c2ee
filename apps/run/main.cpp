// run: tensors in, tensors out, and how they compare with what was expected.

#include "run/command.h"

int main(int argc, char** argv) { return sluice::run::command(argc, argv); }

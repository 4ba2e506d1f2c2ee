// benchmark: how long networks and kernels take, ours and others', where the answers are right.

#include "benchmark/command.h"

int main(int argc, char** argv) { return sluice::benchmark::command(argc, argv); }

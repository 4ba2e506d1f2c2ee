// classify: images in, classes out, and what the gates of the network saved.

#include "classify/command.h"

int main(int argc, char** argv) { return sluice::classify::command(argc, argv); }

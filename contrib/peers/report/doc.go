// Package report compares what was measured: medians, ratios and targets, as text for a terminal, as Markdown and as a picture.
//
// Figures of one machine move from hour to hour, and everything in a round moves with them. So a ratio is taken within each round, and the
// median of these is reported.
//
// It reads nothing and starts nothing. A Comparison is data, which may be kept as JSON.
package report

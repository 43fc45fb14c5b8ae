# Rscript farrington.R COUNTS P: daily counts (one row a day, one column a series, no header) in,
# p-values of the same shape out, NA where there is no year to compare with. Exit code 3 without surveillance.
if (!suppressPackageStartupMessages(requireNamespace("surveillance", quietly = TRUE))) quit(status = 3)
paths <- commandArgs(trailingOnly = TRUE)
counts <- as.matrix(read.csv(paths[1], header = FALSE))
p <- matrix(NA_real_, nrow(counts), ncol(counts))
season <- 365
half_window <- 14
guard <- 28
# With less than two seasons, as in a log of some months, the recent past is all there is.
if (nrow(counts) <= season + half_window + guard) { season <- 7; half_window <- 1; guard <- 1 }
years_back <- if (season == 365) 1 else 8
first <- season * years_back + half_window + 2
for (one in seq_len(ncol(counts))) {
  series <- surveillance::sts(observed = counts[, one, drop = FALSE], start = c(2000, 1), frequency = season)
  control <- list(
    range = first:nrow(counts), b = years_back, w = half_window, noPeriods = 1, trend = FALSE,
    pastWeeksNotIncluded = guard, pThresholdTrend = 1, thresholdMethod = "nbPlugin", alpha = 0.01,
    weightsThreshold = 2.58, limit54 = c(0, 4), fitFun = "algo.farrington.fitGLM.flexible"
  )
  fitted <- surveillance::farringtonFlexible(series, control = control)
  p[first:nrow(counts), one] <- fitted@control$pvalue
}
write.table(p, paths[2], sep = ",", row.names = FALSE, col.names = FALSE)

"""What the plan and the backtest share: one reads the fit part, the other the verify part."""

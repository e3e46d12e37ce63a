#!/usr/bin/env bash
# Provides Chromium and its driver for the browser journeys. Nothing to do where both are there.
set -euo pipefail
cd "$(dirname "$0")/.."

has_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
has_driver() { command -v chromedriver >/dev/null; }
if has_browser && has_driver; then exit; fi
# Debian and its kin split the two; on Ubuntu the driver comes with the browser.
scripts/apt.sh chromium chromium-driver || scripts/apt.sh chromium-browser chromium-chromedriver

#!/bin/bash
# test.sh [SUITE...]: holds the models of mail servers against those of other releases of Debian, and runs the unit
# tests on their own Node, which Debian builds with its own libraries; trixie and sid if none is named, side by side.
# The repository has to be built.
#
# A release that cannot be had here is skipped, with a line that says why.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- trixie sid

# Random cases are many in `npm test`, on the machine's own servers.
cases=(
  TSMILTER_MAIL_CASES="${TSMILTER_MAIL_CASES:-50}"
  TSMILTER_EDIT_CASES="${TSMILTER_EDIT_CASES:-300}"
  TSMILTER_NEGOTIATION_CASES="${TSMILTER_NEGOTIATION_CASES:-60}"
  TSMILTER_REPLY_CASES="${TSMILTER_REPLY_CASES:-100}"
)
files=(
  mail-servers/{bytes,conformance,default-action,dialects,early-accept,edits,failures,merged-fields,messages,random-,recipient-parameters,same-outcome,sender-parameters,verdicts}
  test/{diagnostics,message,milter,mime,mta,options,protocol,server,session,telemetry,testing}/ examples/
  # What lasts and what is measured under load is tested on the official builds: two releases share this machine.
  test/cli/{check,run-access-control,run-options,run-telemetry,run-user,run-workers,run.test}
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
declare -A running
for suite; do
  # A test ends with this script, however that ends.
  setpriv --pdeathsig TERM "$here/release.sh" "$suite" env TSMILTER_REQUIRE_MTA=1 "${cases[@]}" \
    node scripts/test.js --no-build --quiet "${files[@]}" </dev/null >"$work/$suite" 2>&1 &
  running[$suite]=$!
done

failed=0
for suite; do
  status=0
  wait "${running[$suite]}" || status=$?
  echo "-- $suite"
  cat "$work/$suite"
  case $status in
    0) ;;
    77) echo "skipped: $suite cannot be had here" ;;
    *) failed=1 ;;
  esac
done
exit "$failed"

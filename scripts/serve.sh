# For other scripts: `serve PROGRAM FOLDER LOG` serves a data folder on a free port, without a token. It sets `server` (the process) and
# `address`, once the server listens.
serve() {
  "$1" serve --without-token --addr 127.0.0.1:0 --data-dir "$2" > "$3" 2>&1 &
  server=$!
  address=
  for _ in {1..300}; do
    address=$(sed -n 's/^Maskdoor .* on \(http:.*\)$/\1/p' "$3")
    [ -z "$address" ] || return 0
    sleep 0.1
  done
  cat "$3" >&2
  return 1
}

#!/usr/bin/env bash
# Runs three scanners of Debian (ffuf, wapiti, sqlmap) against the built server,
# as a stranger and as the signed-in owner, and says what they found:
#
#   scanners.sh FOLDER [DATABASE_URL]
#
# FOLDER gets their logs. Without DATABASE_URL it is SQLite. Limits are raised,
# so that the scanners meet the code and not 429; SCAN_DEFAULTS=1 keeps them.
# SCAN_SECONDS bounds each wapiti run and each sqlmap target (default 90).
# Exit 0: no finding that is not explained in docs/proofs/SCANNERS.md.
set -euo pipefail

out=$(realpath -m "${1:?usage: scanners.sh FOLDER [DATABASE_URL]}")
database=${2:-}
seconds=${SCAN_SECONDS:-90}
root=$(cd "$(dirname "$0")/../.." && pwd)
for tool in ffuf wapiti sqlmap curl python3; do
  command -v "$tool" >/dev/null || { echo "scanners.sh needs $tool: apt-get install ffuf wapiti sqlmap curl python3" >&2; exit 2; }
done
mkdir -p "$out"
work=$(mktemp -d)
server=
# Only the process that was started here is ended, by its own id.
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

(cd "$root" && CGO_ENABLED=0 go build -o "$work/gatehouse" .)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export LISTEN_ADDR=127.0.0.1:$port APP_URL=http://localhost:$port DATA_DIR=$work/data LOG_FORMAT=json LOG_LEVEL=warn
if [ -n "$database" ]; then export DATABASE_URL=$database SECRET_KEY=5a0c9be2f17d4386a5b4c3d2e1f00918273645546372819aabbccddeeff01234; fi
if [ -z "${SCAN_DEFAULTS:-}" ]; then
  # Off is allowed because APP_URL is loopback.
  for limit in $(grep -oE '^# LIMIT_[A-Z_]+=[0-9]+/' "$root/.env.example" | grep -oE 'LIMIT_[A-Z_]+'); do export "$limit=off"; done
fi
echo "four plain words here" | "$work/gatehouse" user add mara@harbour.example --username mara --role owner --password-stdin >"$out/user.log" 2>&1
"$work/gatehouse" >"$out/server.log" 2>&1 &
server=$!
# Scanners that meet nobody find nothing, so the server has to be there before
# them and still be the same one after them.
there() { kill -0 "$server" 2>/dev/null && curl -fs "$APP_URL/readyz" >/dev/null; }
for _ in $(seq 200); do there && break; sleep 0.1; done
there || { echo "the server did not start: $(tail -n 3 "$out/server.log")"; exit 1; }
app=$APP_URL

# signs in again each time, because a scanner presses every button
cookie() {
  curl -fs -o /dev/null -c "$work/jar" -d 'username=mara&password=four plain words here' "$app/login"
  awk '$6 ~ /gatehouse$/ {print $6 "=" $7}' "$work/jar"
}
bearer() {
  curl -fs -H 'Content-Type: application/json' -d '{"username":"mara","password":"four plain words here"}' "$app/api/v1/login" | sed 's/.*"access_token":"\([^"]*\)".*/\1/'
}

# --- ffuf: files and folders that should not be there -------------------------
awk '
  BEGIN {
    n = split(".git/HEAD .git/config .env .env.bak .svn/entries .DS_Store .htaccess .htpasswd .well-known/security.txt .ssh/id_rsa backup backup.zip backup.sql dump.sql db.sqlite gatehouse.db data/gatehouse.db data/secret.key secret.key config config.json config.yaml config.php phpinfo.php wp-admin wp-login.php server-status server-info debug/pprof/ debug/vars metrics actuator actuator/env actuator/health console admin admin/ administrator manager/html phpmyadmin graphql swagger swagger.json swagger-ui.html api api/ api/v1 api/v2 docs/ static static/ templates main.go go.mod Dockerfile robots.txt sitemap.xml crossdomain.xml trace.axd elmah.axd web.config cgi-bin/ test tmp upload uploads logs error.log access.log dev dev/ dev/inbox setup install install.php users user account oauth oauth/authorize oauth/token token tokens keys jwks health status version info login.php index.php index.html home", w, " ")
    split(" .bak .old .orig .swp ~ .1 .zip .tar.gz .json .xml .php", e, " ")
    for (i = 1; i <= n; i++) { print w[i]; for (j in e) print w[i] e[j] }
  }' | sort -u >"$work/words"
for who in stranger owner; do
  head=(); [ "$who" = owner ] && head=(-H "Cookie: $(cookie)")
  ffuf -s -t 4 -w "$work/words" -u "$app/FUZZ" "${head[@]}" -mc all -fc 404,405 -of csv -o "$out/ffuf-$who.csv" >"$out/ffuf-$who.log" 2>&1 || true
done

# --- wapiti: forms and addresses that it finds by itself -----------------------
for who in stranger owner; do
  head=(); [ "$who" = owner ] && head=(-H "Cookie: $(cookie)")
  wapiti -u "$app/" "${head[@]}" --scope domain --depth 4 --max-scan-time "$seconds" --max-attack-time 15 --flush-session \
    -m "all,-nikto,-wapp,-brute_login_form,-buster,-ssrf,-xxe" --no-bugreport -f json -o "$out/wapiti-$who.json" >"$out/wapiti-$who.log" 2>&1 || true
done

# --- sqlmap: every text that reaches the database ------------------------------
scan() { # name, then arguments of sqlmap
  local name=$1; shift
  timeout "$seconds" sqlmap --batch --disable-coloring --flush-session --level 2 --risk 2 --threads 4 --time-sec 3 --timeout 10 --retries 0 \
    --ignore-code '*' --drop-set-cookie --output-dir "$work/sqlmap" "$@" >"$out/sqlmap-$name.log" 2>&1 || true
}
json=(-H 'Content-Type: application/json')
scan login -u "$app/login" --data 'username=mara&password=x&return_to=/account'
scan login-get -u "$app/login?return_to=/account&lang=de"
scan register -u "$app/register" --data 'email=a@harbour.example&username=a&name=a&password=four plain words here'
scan forgot -u "$app/forgot" --data 'username=mara'
scan reset -u "$app/reset" --data 'token=gh_ot_x&code=123456&new_password=four plain words here'
scan verify -u "$app/verify?token=gh_ot_x"
scan cookie -u "$app/account" --cookie 'gatehouse=x*'
scan json-login -u "$app/api/v1/login" "${json[@]}" --data '{"username":"mara","password":"x"}'
scan json-refresh -u "$app/api/v1/token/refresh" "${json[@]}" --data '{"refresh_token":"gh_rt_x"}'
scan json-verify -u "$app/api/v1/verify" "${json[@]}" --data '{"attempt":"x","code":"123456"}'
scan json-bearer -u "$app/api/v1/me" -H 'Authorization: Bearer gh_pat_x*'
scan profile -u "$app/account/profile" --data 'name=Mara&username=mara' --cookie "$(cookie)"
scan tokens -u "$app/account/tokens" --data 'token_name=a&profile:read=on' -p token_name --cookie "$(cookie)"
scan invite -u "$app/admin/invitations" --data 'email=b@harbour.example&roles=user' --cookie "$(cookie)"
scan json-me -u "$app/api/v1/me" --method PATCH "${json[@]}" --data '{"name":"Mara"}' -H "Authorization: Bearer $(bearer)"
scan json-session -u "$app/api/v1/me/sessions/01890a5d-ac96-774b-bcce-b302099a8057*" --method DELETE -H "Authorization: Bearer $(bearer)"

# --- what they found ------------------------------------------------------------
found=0
# Addresses of ours that a stranger may see, and ways on to the sign-in page.
strange=$(cat "$out"/ffuf-*.csv | awk -F, '$1 != "FUZZ" && $5 != 303 && $5 != 401 {print $5 " /" $1}' | sort -u |
  grep -vxE '200 /(favicon.ico|login|register|public|docs|account|dev/inbox(.json)?|\.well-known/[a-z-]+)|410 /setup' || true)
[ -z "$strange" ] || { echo "ffuf found: $strange"; found=1; }
for f in "$out"/wapiti-*.json; do
  [ -s "$f" ] || { echo "wapiti left no report: $f"; found=1; continue; }
  python3 - "$f" <<'PY' || found=1
import json, sys
report = json.load(open(sys.argv[1]))
# Explained in docs/proofs/SCANNERS.md.
explained = {"Cross Site Request Forgery", "HTTP Strict Transport Security (HSTS)", "Secure Flag cookie", "Unencrypted Channels", "Fingerprint web technology",
             "Fingerprint web application framework", "HTTP Methods", "HTTP Secure Headers"}
bad = 0
for group in ("vulnerabilities", "anomalies"):
    for kind, list in report[group].items():
        if list and kind not in explained:
            bad = 1
            for one in list[:5]:
                print("wapiti found:", kind, one["method"], one["path"], one["info"][:200])
sys.exit(bad)
PY
done
for f in "$out"/sqlmap-*.log; do
  if grep -q 'identified the following injection point' "$f"; then echo "sqlmap found: $f"; found=1; fi
done
if grep -qE '"status":500|"msg":"panic"' "$out/server.log"; then echo "the server failed: $(grep -cE '"status":500|"msg":"panic"' "$out/server.log") lines"; found=1; fi
there || { echo "the server is gone: $(tail -n 3 "$out/server.log")"; found=1; }
tried() { cat "$out"/sqlmap-*.log | grep -c 'do not appear to be injectable' || true; }
echo "ffuf: $(wc -l <"$work/words") words twice; wapiti: twice for $seconds s; sqlmap: $(ls "$out"/sqlmap-*.log | wc -l) targets, $(tried) tried to the end"
# A slow machine may run out of time at some; more than that is no scan.
[ "$(tried)" -ge 12 ] || { echo "sqlmap did not get to the end of enough targets: more SCAN_SECONDS"; found=1; }
exit $found

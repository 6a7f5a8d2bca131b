#!/usr/bin/env bash
# From the sources to a signed APK, without Android Studio, Gradle or Google's Maven: app/target/ghostface-edge.apk.
#
#   android_demo/apk.sh      needs a JDK (17 to 21), Maven, and Debian's aapt, zipalign, apksigner and dexdump
#
# It is signed with the debug key that Android's tools share, ~/.android/debug.keystore, which is made if there is none;
# KEYSTORE names another with the same alias and password (androiddebugkey, android).
set -euo pipefail
cd "$(dirname "$0")/app"
keystore=${KEYSTORE:-$HOME/.android/debug.keystore}
apk=target/ghostface-edge.apk work=target/android

fail() { printf 'apk.sh: %s\n' "$1" >&2; exit 1; }

for tool in mvn javac keytool aapt aapt2 zipalign apksigner dexdump readelf zip unzip; do
    command -v "$tool" >/dev/null || fail "no $tool here. Debian: apt-get install maven default-jdk-headless aapt zipalign apksigner dexdump binutils zip unzip"
done

(cd .. && mvn -q -B -Papk -DskipTests package)
if dexdump -d "$work/classes.dex" | grep -q invoke-custom; then
    fail "a lambda is left in classes.dex, which no Android can run: see app/desugar.pro"
fi

rm -rf "$work/apk" && mkdir -p "$work/apk/lib"
cp "$work/classes.dex" "$work/apk/"
for abi in arm64-v8a armeabi-v7a; do cp -r "$work/tensorflow-lite/jni/$abi" "$work/apk/lib/"; done
cp "$work/resources.apk" "$work/unsigned.apk"
# Native libraries are stored as they are and mapped from the APK, so that nothing is unpacked at installation.
(cd "$work/apk" && zip -q -X ../unsigned.apk classes.dex && zip -q -X -0 -r ../unsigned.apk lib)
zipalign -f -p 4 "$work/unsigned.apk" "$work/aligned.apk"
if [ ! -f "$keystore" ]; then
    mkdir -p "$(dirname "$keystore")"
    keytool -genkeypair -keystore "$keystore" -storepass android -keypass android -alias androiddebugkey -keyalg RSA \
        -keysize 2048 -validity 10000 -dname "CN=Android Debug,O=Android,C=US" 2>/dev/null
fi
apksigner sign --ks "$keystore" --ks-key-alias androiddebugkey --ks-pass pass:android --key-pass pass:android \
    --out "$apk" "$work/aligned.apk"

apksigner verify --verbose "$apk" | grep -E '^Verifies|: true$'
zipalign -c -p 4 "$apk" || fail "$apk is not aligned"
aapt dump badging "$apk" | grep -E '^(package|sdkVersion|targetSdkVersion|uses-permission|launchable-activity|native-code)'
others=$(aapt dump permissions "$apk" | grep uses-permission | grep -v 'android.permission.CAMERA' || true)
[ -z "$others" ] || fail "the app asks for more than the camera: $others"

size() { unzip -lqq "$apk" "$@" 2>/dev/null | awk '{ sum += $1 } END { printf "%d", sum }'; }
printf 'bytes: %s in all; code %s, native arm64-v8a %s, armeabi-v7a %s, models %s\n' "$(stat -c %s "$apk")" \
    "$(size classes.dex)" "$(size 'lib/arm64-v8a/*')" "$(size 'lib/armeabi-v7a/*')" "$(size 'assets/models/*')"
if [ "$(size 'assets/models/*.tflite')" = 0 ]; then
    printf '!! No model in it, so the app can only say so: python android_demo/models.py, then again.\n'
fi
for library in "$work"/apk/lib/arm64-v8a/*.so; do
    if readelf -lW "$library" | grep -qE 'LOAD .* 0x1000$'; then
        printf '!! %s is linked for memory pages of 4 KB: a phone with pages of 16 KB (some since Android 15) may refuse it.\n' "$(basename "$library")"
    fi
done

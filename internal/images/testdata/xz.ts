/** What xz of XZ Utils 5 has made, so that tests need no such program. */
import { gunzipSync } from "node:zlib";

const data = (text: string): Buffer => Buffer.from(text, "base64");

/** A module's first bytes with the vermagic of 6.1.0-42-amd64, as the kernel's Makefile compresses: --check=crc32 --lzma2=dict=1MiB */
export const KO_XZ = data(
    "/Td6WFoAAAFpIt42AgAhARAAAACocI6G4ACmAG1dAD+RRYRoPYYlkSj3VKBsQFVqXzW35KbX2a4u1rR7MD1kxjmYmHlD71/z0qXi" +
    "nAn19EPTnsXCrfpZKTUgtrotBoXaIGHXa+S7J6RscE8OPdzjIyJUI9cQ5lJyaQLSRFJ8aZPjrhPkex39CfEyAAAAAAAAiy737wAB" +
    "hQGnAQAAjTM2YT4wDYsCAAAAAAFZWg==",
);
/** The same with the program's own settings: --check=crc64 --lzma2=dict=8MiB */
export const KO_XZ_CRC64 = data(
    "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4ACmAG1dAD+RRYRoPYYlkSj3VKBsQFVqXzW35KbX2a4u1rR7MD1kxjmYmHlD71/z0qXi" +
    "nAn19EPTnsXCrfpZKTUgtrotBoXaIGHXa+S7J6RscE8OPdzjIyJUI9cQ5lJyaQLSRFJ8aZPjrhPkex39CfEyAAAAAAAAdx/tx3J5" +
    "+kUAAYkBpwEAAPbz9BaxxGf7AgAAAAAEWVo=",
);
/** The same with --check=sha256, which the kernel's decoder does not know. */
export const KO_XZ_SHA256 = data(
    "/Td6WFoAAArh+wyhAgAhARYAAAB0L+Wj4ACmAG1dAD+RRYRoPYYlkSj3VKBsQFVqXzW35KbX2a4u1rR7MD1kxjmYmHlD71/z0qXi" +
    "nAn19EPTnsXCrfpZKTUgtrotBoXaIGHXa+S7J6RscE8OPdzjIyJUI9cQ5lJyaQLSRFJ8aZPjrhPkex39CfEyAAAAAAAACHsDaVkm" +
    "1abbTgRFmIgpslb4yxk2wmCSxGJETn8X9HEAAaEBpwEAAK10C/226d8cAgAAAAAKWVo=",
);
/** 16 MB of zeros with --check=crc32. Streams one after another are one file. */
export const ZEROS_XZ = gunzipSync(
  data(
    "H4sIAAAAAAACA/trXhURxcDAmKl0z4yJQZFRgIGBYUVBX9v//4KMObEMDPl///9fvP2/u52HaJFlYuCOSRrPFrex/3z3RK7psv5R" +
    "KxtG7411J7u6fPUX896sX/a4R1kw+EGkxNHSrkflP7ZNqefJOnCvxDPl0cuY4E0sN7678KyO5811e/n0cFnH9mnha7b5PsyUzf/t" +
    "3SGQ43S6wz6Gof+C33o1jSmF8rb9Kg8L5i1Xjn+jcbr14tQZXXVaEz+pl36XPMA2w3fG3xvrr07gP6Ia/OPrRDND1qUb3uUfLPB1" +
    "57k4UXDV2gTZXec2qkvERLa9TAuK2PeybE3kk6fRrBw/j99a++d3kHbJWbloBaefd4Ntf2imcFo3nNbKub/V+sORvXrxq/jtvNOc" +
    "Jgjz/ReY/KOwIvIH99n/UzXc+Ff+qbn3e5aBXtiB/tbPzY0HUqls9R4P9WcR8/8LMGozvCkOXv5337oaQ6n523sN80ZOGJBmdSC/" +
    "/abRABsNsNEAGw2w0QAbDbDRAMMVYA3sZQwsDNsz/5QAm3YMXgtrljAwPhVuaGjgqOFbMdvOgLebCSTBGBkFAJma/4UMCgAA",
  ),
);

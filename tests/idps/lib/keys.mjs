// Keys of an identity provider, made for one test.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

// Writes NAME.key and NAME.crt.
export function makeKey(folder, name) {
  const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", `/CN=${name}`, "-days", "90"];
  execFileSync("openssl", [...words, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  return { key, certificate };
}

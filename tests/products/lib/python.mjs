// Products from PyPI, each in its own environment in .tools (see tools/provision.sh).
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const TOOLS = process.env.BAILIWICK_TOOLS ?? fileURLToPath(new URL("../../../.tools", import.meta.url));

export const environment = (name) => join(TOOLS, "venv", name);
export const python = (name) => join(environment(name), "bin/python");

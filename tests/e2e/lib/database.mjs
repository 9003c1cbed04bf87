// The database a story runs on: the server's own SQLite, or with E2E_DATABASE=postgres a new database on the
// server of BAILIWICK_TEST_POSTGRES (tools/with-postgres.sh starts one).
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";

const run = promisify(execFile);
const PATH = `${process.env.PATH}:/usr/lib/postgresql/15/bin`;

export const KIND = process.env.E2E_DATABASE ?? "sqlite";

// { env, stop }: what the server needs in its environment.
export async function openDatabase() {
  if (KIND === "sqlite") return { env: {}, stop: async () => {} };
  const server = process.env.BAILIWICK_TEST_POSTGRES;
  if (KIND !== "postgres" || !server) {
    throw new Error("E2E_DATABASE is `sqlite`, or `postgres` together with BAILIWICK_TEST_POSTGRES=postgres://…; use tools/with-postgres.sh");
  }
  const name = `e2e_${randomUUID().replaceAll("-", "")}`;
  const say = (sql) => run("psql", ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", sql, server], { env: { ...process.env, PATH } });
  // A plain role, as in production: row-level security does not hold the server's superuser.
  await say(`create role ${name} login password '${name}' nosuperuser nobypassrls`);
  await say(`create database ${name} owner ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  url.username = name;
  url.password = name;
  const stop = async () => {
    await say(`drop database ${name} with (force)`);
    await say(`drop role ${name}`);
  };
  return { env: { BAILIWICK_DATABASE: url.href }, stop };
}

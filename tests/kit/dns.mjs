// An authoritative DNS server (Knot) on a free port of 127.0.0.1, whose zones a test changes as it goes.
//   const dns = await startDns(["northwind.test"]);
//   await dns.set("_bailiwick.northwind.test", "TXT", '"token"');
//   await dns.remove("_bailiwick.northwind.test", "TXT");
//   await dns.fail("northwind.test");      // SERVFAIL from now on: a lame server, not a missing record
//   await dns.recover("northwind.test");   // the records as they were
// Every change is answered from before the promise resolves. Time to live is 1 s, negative answers too.
import { execFile } from "node:child_process";
import { Resolver } from "node:dns/promises";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, start, temporaryFolder } from "./process.mjs";

const run = promisify(execFile);
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const TTL_S = 1;

class Zone {
  constructor(name) {
    this.name = name;
    this.serial = 1;
    this.records = []; // { name, type, value }
    this.failing = false;
  }

  text() {
    const soa = `${this.name}. ${TTL_S} SOA ns.${this.name}. hostmaster.${this.name}. ${this.serial} 3600 600 86400 ${TTL_S}`;
    const own = [`${this.name}. ${TTL_S} NS ns.${this.name}.`, `ns.${this.name}. ${TTL_S} A 127.0.0.1`];
    const given = this.records.map((r) => `${r.name}. ${TTL_S} ${r.type} ${r.value}`);
    return [soa, ...own, ...given, ""].join("\n");
  }
}

class Dns {
  constructor(folder, port, zones) {
    this.folder = folder;
    this.address = "127.0.0.1";
    this.port = port;
    this.server = `127.0.0.1:${port}`;
    this.zones = zones.map((name) => new Zone(name));
  }

  zoneOf(name) {
    const fits = this.zones.filter((z) => name === z.name || name.endsWith(`.${z.name}`));
    const zone = fits.sort((a, b) => b.name.length - a.name.length)[0];
    if (!zone) throw new Error(`no zone holds ${name}; served: ${this.zones.map((z) => z.name).join(", ")}`);
    return zone;
  }

  file(zone) {
    return join(this.folder.path, `${zone.name}.zone`);
  }

  configure() {
    const zones = this.zones.map((z) => `  - domain: ${z.name}.\n    file: ${this.file(z)}\n`).join("");
    writeFileSync(
      join(this.folder.path, "knot.conf"),
      `server:\n    rundir: ${this.folder.path}\n    listen: 127.0.0.1@${this.port}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n` +
        `database:\n    storage: ${this.folder.path}\n` +
        `log:\n  - target: stderr\n    any: warning\n` +
        `template:\n  - id: default\n    storage: ${this.folder.path}\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n` +
        `zone:\n${zones}`,
    );
  }

  control(...args) {
    return run("knotc", ["-s", join(this.folder.path, "knot.sock"), "-b", ...args], { env: { ...process.env, PATH } });
  }

  async publish(zone) {
    if (zone.failing) return;
    zone.serial += 1;
    writeFileSync(this.file(zone), zone.text());
    await this.control("zone-reload", zone.name);
  }

  // Makes `value` the only record of this name and type.
  async set(name, type, value) {
    const zone = this.zoneOf(name);
    zone.records = zone.records.filter((r) => !(r.name === name && r.type === type));
    return this.add(name, type, value);
  }

  async add(name, type, value) {
    const zone = this.zoneOf(name);
    zone.records.push({ name, type, value });
    await this.publish(zone);
  }

  // Removes what matches; without a type, every record of the name.
  async remove(name, type, value) {
    const zone = this.zoneOf(name);
    const before = zone.records.length;
    zone.records = zone.records.filter(
      (r) => r.name !== name || (type !== undefined && r.type !== type) || (value !== undefined && r.value !== value),
    );
    if (zone.records.length === before) throw new Error(`nothing to remove at ${name} ${type ?? ""}`);
    await this.publish(zone);
  }

  async addZone(name) {
    const zone = new Zone(name);
    this.zones.push(zone);
    writeFileSync(this.file(zone), zone.text());
    this.configure();
    await this.control("reload");
    // Loading a new zone ends after `reload` has answered.
    await this.control("zone-reload", name);
  }

  async fail(name) {
    const zone = this.zoneOf(name);
    zone.failing = true;
    rmSync(this.file(zone), { force: true });
    await this.control("-f", "zone-purge", zone.name);
  }

  async recover(name) {
    const zone = this.zoneOf(name);
    zone.failing = false;
    await this.publish(zone);
  }

  // A resolver that asks this server alone.
  resolver() {
    const resolver = new Resolver({ timeout: 2_000, tries: 2 });
    resolver.setServers([this.server]);
    return resolver;
  }
}

export async function startDns(zones) {
  for (let attempt = 1; ; attempt += 1) {
    const folder = temporaryFolder("dns");
    const dns = new Dns(folder, await freePort(), zones);
    dns.zones.forEach((zone) => writeFileSync(dns.file(zone), zone.text()));
    dns.configure();
    const knot = start("knotd", ["-c", join(folder.path, "knot.conf")], { env: { PATH } });
    dns.stop = async () => {
      await knot.stop();
      folder.stop();
    };
    try {
      await knot.ready("the DNS server", () => dns.resolver().resolveSoa(zones[0]));
      return dns;
    } catch (error) {
      await dns.stop();
      if (attempt === 3) throw error;
    }
  }
}

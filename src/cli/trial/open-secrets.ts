/** Secrets in files that every user of the machine can read. */
import { stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { lineText } from '../config/place.ts'
import type { SecretPlace } from '../config/reader.ts'
import type { PlacedFinding } from './placed-finding.ts'

/** Read permission of those who are neither owner nor in the group. */
const OTHERS_READ = 0o004

/** A warning for each file, at the first place that names it. */
export async function openSecrets(
  secrets: readonly SecretPlace[],
): Promise<readonly PlacedFinding[]> {
  const places = new Map<string, SecretPlace>()
  for (const secret of secrets) {
    if (!places.has(secret.file)) places.set(secret.file, secret)
  }
  const looked = [...places.values()].map(async (secret) =>
    (await isOpen(secret.file)) ? [finding(secret)] : [],
  )
  return (await Promise.all(looked)).flat()
}

/** A file that is not there is reported elsewhere. */
async function isOpen(file: string): Promise<boolean> {
  try {
    return ((await stat(file)).mode & OTHERS_READ) !== 0
  } catch {
    return false
  }
}

function finding({ place, file }: SecretPlace): PlacedFinding {
  const text =
    relative(place.file, file) === ''
      ? `a secret stands here, and everybody on this machine can read ${file}: chmod 640 ${file}, or write !file PATH`
      : `everybody on this machine can read ${file}: chmod 640 ${file}`
  return { level: 'warning', place: lineText(place), text }
}

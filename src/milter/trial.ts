import { MilterError, UsageError } from '../errors.ts'
import { readable } from './answer.ts'
import { filterObject, meantStage, type Filter, type FilterFactory } from './filter-object.ts'
import { changesBetween } from '../options/nearest.ts'
import type { FilterSettings } from './options.ts'
import { isStage, STAGE_NAMES, type Stage } from '../protocol/stages.ts'
import { wishesOf } from './subscription.ts'

/**
 * Makes one object of a filter before there is mail. Otherwise only the first session would find a factory that throws,
 * a misspelt callback, or a mark on the wrong callback. Filters of `defineFilter` were checked when they were made.
 *
 * @throws MilterError FACTORY_FAILED, with what was thrown as its cause
 * @throws UsageError INVALID_HANDLER
 */
export function tryFactory(factory: FilterFactory, settings: FilterSettings): void {
  if ('members' in factory) return
  // Only pymilter takes the class itself.
  if (isClass(factory)) {
    const name = factory.name || 'MyFilter'
    throw new UsageError(
      'INVALID_HANDLER',
      `the factory of the filter is the class ${name}; give a function that makes an object of it: () => new ${name}()`,
    )
  }
  let filter: Filter
  try {
    filter = factory()
  } catch (thrown) {
    const cause = readable(thrown)
    throw new MilterError(
      'FACTORY_FAILED',
      `the factory of the filter failed when it was tried: ${String(cause)}`,
      { cause },
    )
  }
  const object = filterObject(filter, settings)
  wishesOf(object, settings)
  refuseMisspelt(filter, (stage) => object.handlers[stage] !== undefined)
}

const isClass = (factory: FilterFactory): boolean =>
  /^class\b/.test(Function.prototype.toString.call(factory))

/**
 * Refuses a method whose name is nearly that of a callback that the class does not have: it would never be called.
 * Other methods are allowed.
 */
function refuseMisspelt(filter: object, has: (stage: Stage) => boolean): void {
  for (const [name, owner] of methodsOf(filter)) {
    if (isStage(name)) continue
    const meant = meantStage(name) ?? nearStage(name)
    if (meant === undefined || has(meant)) continue
    throw new UsageError(
      'INVALID_HANDLER',
      `${owner}.${name} is not a callback of a milter and would never be called; did you mean ${meant}? A method of your own that is so near to it needs another name, or #${name}`,
    )
  }
}

/** A callback that one letter more, less or other makes of the name. */
function nearStage(name: string): Stage | undefined {
  const near = (maximum: number): Stage | undefined =>
    STAGE_NAMES.find((stage) => changesBetween(name, stage) <= maximum)
  return near(0) ?? near(1)
}

/** Functions of an object and of its classes, up to that of this package. */
function* methodsOf(filter: object): Generator<[name: string, owner: string]> {
  let at: object | null = filter
  while (at !== null && at !== Object.prototype && !Object.hasOwn(at, 'toFilterObject')) {
    const { constructor } = at
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function' && name !== 'constructor') {
        yield [name, constructor?.name ?? '']
      }
    }
    at = Object.getPrototypeOf(at) as object | null
  }
}

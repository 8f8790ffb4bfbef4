import { listOf } from '../options/part-kinds.ts'
import type { Field } from '../options/shape.ts'
import { network } from '../options/value-kinds.ts'
import { LOCAL_NETWORKS } from './direction.ts'

/** The option that says which networks are local. @param text what that means for the filter */
export const localNetworks = (text: string, more?: string): Field => ({
  kind: listOf(network, { min: 0 }),
  default: LOCAL_NETWORKS,
  text,
  ...(more !== undefined && { more }),
})

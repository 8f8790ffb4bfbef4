/** What can be on a {@link ConnectionSet}. */
export interface Listed {
  /** its place in the set that holds it; only the set writes it */
  place: number
}

/**
 * Who is there now, of things that come and go all the time, each once; in no order.
 *
 * Not a Set: a table that a Set has given up for a larger or a tidier one keeps its entries and refers to
 * its successor (V8, OrderedHashTable::Rehash). One that has got old keeps all that follow until the next
 * major collection, and with them connections that are long gone: 0.7 KB of each on average.
 */
export class ConnectionSet<T extends Listed> implements Iterable<T> {
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: T): void {
    member.place = this.#members.length
    this.#members.push(member)
  }

  /** The last one takes its place. Who is not there is not missed. */
  remove(member: T): void {
    if (this.#members[member.place] !== member) return
    const last = this.#members.pop()!
    if (last === member) return
    this.#members[member.place] = last
    last.place = member.place
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#members.values()
  }
}

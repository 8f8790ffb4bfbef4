/** A resolver that answers what a test says. */
import type { DnsResolver, ResolverAnswer } from '../../../src/toolkit/index.ts'

/** @param answers gets questions such as `A example.org` */
export function scriptedResolver(
  answers: (question: string) => ResolverAnswer | Promise<ResolverAnswer>,
): DnsResolver & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    async resolve(name, type) {
      const question = `${type} ${name}`
      asked.push(question)
      return (await answers(question)) as ResolverAnswer<typeof type>
    },
  }
}

/** Answers from a table of questions; what is not in it does not exist. */
export const zone =
  (answers: Readonly<Record<string, ResolverAnswer | readonly string[]>>) =>
  (question: string): ResolverAnswer => {
    const answer = answers[question]
    if (answer === undefined) return { none: 'no-domain' }
    return 'length' in answer ? { found: answer } : answer
  }

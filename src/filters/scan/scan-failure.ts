/** Why a scanner has given no result. Another one may be asked. */
export class ScanFailure extends Error {}

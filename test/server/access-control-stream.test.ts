// All of it again, with sockets read as streams: the switch is looked at when the module is loaded.
process.env['TSMILTER_READS'] = 'stream'
await import('./access-control.test.ts')

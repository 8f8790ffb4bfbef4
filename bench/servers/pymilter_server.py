# The workloads on pymilter, each with the callbacks its users have.
#
#     pymilter_server.py ADDRESS WORKLOAD
import sys
import Milter


class Noop(Milter.Base):
    def connect(self, hostname, family, hostaddr):
        return Milter.CONTINUE

    def hello(self, hostname):
        return Milter.CONTINUE

    def envfrom(self, mailfrom, *params):
        return Milter.CONTINUE

    def envrcpt(self, to, *params):
        return Milter.CONTINUE

    def data(self):
        return Milter.CONTINUE

    def header(self, name, value):
        return Milter.CONTINUE

    def eoh(self):
        return Milter.CONTINUE

    def body(self, chunk):
        return Milter.CONTINUE

    def unknown(self, line):
        return Milter.CONTINUE

    def eom(self):
        return Milter.CONTINUE


class AddHeader(Milter.Base):
    def envfrom(self, mailfrom, *params):
        return Milter.CONTINUE

    def envrcpt(self, to, *params):
        return Milter.CONTINUE

    def header(self, name, value):
        return Milter.CONTINUE

    def eom(self):
        self.addheader('X-Bench', 'yes')
        return Milter.ACCEPT


class AddHeaderSilently(Milter.Base):
    @Milter.noreply
    def envfrom(self, mailfrom, *params):
        return Milter.CONTINUE

    @Milter.noreply
    def envrcpt(self, to, *params):
        return Milter.CONTINUE

    @Milter.noreply
    def header(self, name, value):
        return Milter.CONTINUE

    def eom(self):
        self.addheader('X-Bench', 'yes')
        return Milter.ACCEPT


class Body(Milter.Base):
    def envfrom(self, mailfrom, *params):
        self.fields = []
        self.chunks = []
        return Milter.CONTINUE

    def header(self, name, value):
        self.fields.append((name, value))
        return Milter.CONTINUE

    def body(self, chunk):
        self.chunks.append(chunk)
        return Milter.CONTINUE

    def eom(self):
        self.addheader('X-Bench-Fields', str(len(self.fields)))
        self.addheader('X-Bench-Size', str(sum(map(len, self.chunks))))
        if self.chunks:
            self.chunks[0] = b'#' + self.chunks[0][1:]
        for chunk in self.chunks:
            self.replacebody(chunk)
        return Milter.ACCEPT


WORKLOADS = {
    'noop': (Noop, 0),
    'addheader': (AddHeader, Milter.ADDHDRS),
    'addheader-nr': (AddHeaderSilently, Milter.ADDHDRS),
    'body': (Body, Milter.ADDHDRS + Milter.CHGBODY),
}
Milter.factory, flags = WORKLOADS[sys.argv[2]]
Milter.set_flags(flags)
Milter.runmilter('bench', sys.argv[1], 60)

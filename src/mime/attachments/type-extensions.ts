/**
 * Extensions that programs give a file without a name, by its type: those of the registry of IANA, of `mime.types`
 * and of the classes of Windows (HKEY_CLASSES_ROOT, MIME\Database), as far as such a file is run when it is opened.
 */

const TYPES: Readonly<Record<string, string>> = {
  // Windows: programs, packages, shortcuts
  exe:
    'application/x-msdownload application/x-dosexec application/vnd.microsoft.portable-executable application/exe ' +
    'application/x-exe application/x-winexe application/x-msdos-program application/x-ms-dos-executable ' +
    'application/dos-exe application/msdos-windows application/x-msdos-windows vms/exe',
  bat: 'application/bat application/x-bat application/x-msbatch text/x-msdos-batch',
  cpl: 'application/x-cpl application/cpl+xml',
  msi: 'application/x-msi application/x-ms-installer application/x-windows-installer',
  appinstaller: 'application/appinstaller',
  appx: 'application/appx application/vnd.ms-appx application/msix application/msixbundle application/appxbundle',
  lnk: 'application/x-ms-shortcut application/x-win-lnk',
  url: 'application/internet-shortcut application/x-url application/x-mswinurl text/x-uri',
  website: 'application/x-mswebsite',
  application: 'application/x-ms-application',
  manifest: 'application/x-ms-manifest',
  vsto: 'application/x-ms-vsto',
  xbap: 'application/x-ms-xbap',
  xaml: 'application/xaml+xml',
  xap: 'application/x-silverlight application/x-silverlight-app',
  'appcontent-ms': 'application/windows-appcontent+xml',
  'library-ms': 'application/windows-library+xml',
  'searchconnector-ms': 'application/windows-search-connector+xml',
  chm: 'application/x-chm application/vnd.ms-htmlhelp application/mshelp',
  hlp: 'application/winhlp application/x-winhelp application/hlp',
  inf: 'application/x-setupscript',
  reg: 'text/x-ms-regedit application/x-ms-regedit text/x-registry',
  rdp: 'application/rdp application/x-rdp',
  ica: 'application/x-ica',
  // scripts
  hta: 'application/hta application/x-hta text/hta',
  js:
    'text/javascript application/javascript application/x-javascript text/x-javascript text/ecmascript ' +
    'application/ecmascript application/x-ecmascript text/x-ecmascript text/jscript text/livescript',
  jse: 'text/jscript.encode application/x-jse',
  vbs: 'text/vbscript application/vbscript application/x-vbs application/x-vbscript text/vbs text/x-vbscript',
  vbe: 'text/vbscript.encode application/x-vbe',
  sct: 'text/scriptlet text/x-scriptlet',
  wsf: 'application/x-wsf text/wsf',
  xsl: 'application/xslt+xml text/xsl',
  ps1: 'application/x-powershell text/x-powershell application/powershell text/powershell',
  sh:
    'application/x-sh text/x-sh application/x-shellscript text/x-shellscript application/x-bash ' +
    'application/x-shar application/x-zsh',
  csh: 'application/x-csh text/x-csh text/x-script.csh',
  pl: 'application/x-perl text/x-perl text/x-script.perl',
  py: 'application/x-python text/x-python text/x-script.python',
  pyc: 'application/x-python-code application/x-bytecode.python application/x-python-bytecode',
  rb: 'application/x-ruby text/x-ruby',
  php: 'application/x-php text/x-php application/x-httpd-php text/php',
  tcl: 'application/x-tcl text/x-tcl',
  lua: 'application/x-lua text/x-lua',
  scpt: 'application/x-applescript text/x-applescript',
  // programs elsewhere
  jar: 'application/java-archive application/x-java-archive application/x-jar',
  class:
    'application/java-vm application/x-java-vm application/x-java-class application/java-byte-code',
  jnlp: 'application/x-java-jnlp-file',
  elf: 'application/x-elf application/x-executable application/x-sharedlib application/x-pie-executable',
  apk: 'application/vnd.android.package-archive',
  deb: 'application/vnd.debian.binary-package application/x-debian-package application/x-deb',
  rpm: 'application/x-rpm application/x-redhat-package-manager',
  dmg: 'application/x-apple-diskimage',
  pkg: 'application/vnd.apple.installer+xml',
  mobileconfig: 'application/x-apple-aspen-config',
  desktop: 'application/x-desktop',
  swf: 'application/x-shockwave-flash application/vnd.adobe.flash.movie',
  dcr: 'application/x-director',
  xpi: 'application/x-xpinstall',
  crx: 'application/x-chrome-extension',
  // Office
  docm: 'application/vnd.ms-word.document.macroenabled.12',
  dotm: 'application/vnd.ms-word.template.macroenabled.12',
  xlsm: 'application/vnd.ms-excel.sheet.macroenabled.12',
  xltm: 'application/vnd.ms-excel.template.macroenabled.12',
  xlsb: 'application/vnd.ms-excel.sheet.binary.macroenabled.12',
  xlam: 'application/vnd.ms-excel.addin.macroenabled.12',
  pptm: 'application/vnd.ms-powerpoint.presentation.macroenabled.12',
  potm: 'application/vnd.ms-powerpoint.template.macroenabled.12',
  ppsm: 'application/vnd.ms-powerpoint.slideshow.macroenabled.12',
  ppam: 'application/vnd.ms-powerpoint.addin.macroenabled.12',
  sldm: 'application/vnd.ms-powerpoint.slide.macroenabled.12',
  vsdm: 'application/vnd.ms-visio.drawing.macroenabled.12',
  vssm: 'application/vnd.ms-visio.stencil.macroenabled.12',
  vstm: 'application/vnd.ms-visio.template.macroenabled.12',
  one: 'application/onenote application/msonenote',
  mdb: 'application/msaccess application/x-msaccess application/vnd.ms-access application/mdb application/x-mdb',
  pub: 'application/x-mspublisher application/vnd.ms-publisher',
  iqy: 'text/x-ms-iqy application/x-ms-iqy',
  odc: 'text/x-ms-odc',
  // lists of what is played
  m3u: 'audio/x-mpegurl audio/mpegurl application/x-mpegurl application/vnd.apple.mpegurl',
  pls: 'audio/x-scpls application/pls+xml',
  asx: 'video/x-ms-asx application/x-mplayer2',
  wax: 'audio/x-ms-wax',
  wvx: 'video/x-ms-wvx',
  wmx: 'video/x-ms-wmx',
  wpl: 'application/vnd.ms-wpl',
  xspf: 'application/xspf+xml',
}

const EXTENSIONS: ReadonlyMap<string, string> = new Map(
  Object.entries(TYPES).flatMap(([extension, types]) =>
    types.split(' ').map((type): [string, string] => [type, extension]),
  ),
)

/** All that are given. */
export const TYPE_EXTENSIONS: readonly string[] = Object.keys(TYPES)

/** @param type in lower case */
export const extensionOfType = (type: string): string | undefined => EXTENSIONS.get(type)

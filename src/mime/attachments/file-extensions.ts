/**
 * Extensions of files that should not come by mail, with their sources:
 *
 * - The files that Outlook does not open (support.microsoft.com, "Blocked attachments in Outlook"), and the default of
 *   Exchange (Set-OwaMailboxPolicy, BlockedFileTypes).
 * - The files that Gmail does not take (support.google.com/mail/answer/6590).
 * - The files that Exchange Online and MIMEDefang keep out.
 * - The files that attackers used in the last years, and that are in none of these lists.
 *
 * docs/mime.md has the extensions that are in those lists and not in this one, with the reason.
 */

const words = (...lines: string[]): string[] => lines.join(' ').split(' ')

/** The 42 extensions that `mime.py` of pymilter blocked in 2005. */
export const PYMILTER_EXTENSIONS: readonly string[] = words(
  'ade adp asd asx asp bas bat chm cmd com cpl crt dll exe hlp hta inf ins isp js jse lnk mdb mde msc',
  'msi msp mst ocx pcd pif reg scr sct shs url vb vbe vbs wsc wsf wsh',
)

/** Outlook and Exchange, October 2024. */
const OUTLOOK = words(
  'ade adp app appcontent-ms application appref-ms asp aspx asx bas bat cdxml cer chm cmd cnt com cpl crt',
  'csh der diagcab exe fxp gadget grp hlp hpj hta htc inf ins iso img isp its jar jnlp js jse ksh',
  'library-ms lnk mad maf mag mam maq mar mas mat mau mav maw mcf mda mdb mde mdt mdw mdz mht mhtml msc',
  'msh msh1 msh1xml msh2 msh2xml mshxml msi msp mst msu ops osd pcd pif pl plg prf prg printerexport ps1',
  'ps1xml ps2 ps2xml psc1 psc2 psd1 psdm1 psm1 pssc pst py pyc pyo pyw pyz pyzw reg scf scr sct',
  'search-ms settingcontent-ms shb shs theme tmp udl url vb vbe vbp vbs vhd vhdx vsmacros vsw webpnp',
  'website ws wsb wsc wsf wsh xbap xll xnk',
)

const GMAIL = words(
  'ade adp apk appx appxbundle bat cab chm cmd com cpl diagcab diagcfg diagpkg dll dmg ex ex_ exe hta img',
  'ins iso isp jar jnlp js jse lib lnk mde mjs msc msi msix msixbundle msp mst nsh pif ps1 scr sct shb',
  'sys vb vbe vbhd vbs vhd vxd wsc wsf wsh xll',
)

/**
 * More extensions of the filter for common attachments of Exchange Online (Set-MalwareFilterPolicy, FileTypes) and of
 * the filter that comes with MIMEDefang. Archives in their lists that this library cannot list are reported as
 * archives.
 */
const FILTERS = words('ani hto library macho wmd wms wmz')

/** Extensions that none of these filters has. */
const OTHERS = [
  // Windows: programs, packages, shortcuts, what opens a program or another machine
  ...words(
    'a3x ahk air appinstaller au3 ax bgi btm cla class contact csproj deskthemepack diagpkg dl_ drv efi elf',
    'esd ica inx isu job jsx mof osdx paf pyd rdp remoteapp rgs searchconnector-ms sed sfx swm themepack',
    'u3p vbproj vbscript vbx widget wim wpk xap 386 egg fon luac manifest nupkg nws ppkg proj sln suo tlb tsp',
    'vsix vsto war ear whl xsn',
    '3gr acm air asa ascx ashx asmx eappx eappxbundle ebacmd ebm ebs emsix emsixbundle esh fsproj fsscript fsx csx group hiv',
    'htr hxs iim jpi hpi kix kixtart msrcincident msstyles mui nexe njsproj ovpn plx props pyproj rdg',
    'rll sc_ spc sst targets tsk vcxproj vdproj wixproj xaml xoml xrm-ms xsl xslt',
  ),
  // shortcuts and playlists: they name another machine, which gets the hash of the password
  ...words(
    'desklink dsn m3u m3u8 mapimail mydocs pls rdw uxdc wax wmx wpl wvx xspf zfsendtotarget',
  ),
  // plug-ins of CAD programs, which load them from the directory of a drawing
  ...words('arx dvb fas lsp mnl vlx'),
  // disks: what is in them has no mark of the web
  ...words(
    'ccd cue daa isz mdf mds nrg qcow2 toast udf uif vdi vmdk ova vhds',
    'avhd avhdx b5t b6t bwt cdi dsk flp ima ovf qcow sparsebundle sparseimage vfd',
  ),
  // Office: macros, add-ins, queries of other machines, files in files
  ...words(
    'accda accdb accdc accde accdr accdt accdu docm dotm dqy iqy laccdb mdn mpt odc one onepkg onetoc',
    'onetoc2 oqy potm ppa ppam ppsm pptm pub pubhtml rqy sldm slk vdw vsdm vssm vstm wbk wiz wll wwl xla',
    'xlam xlc xld xlm xlsb xlsm xltm xlw oxt',
    'dif docb dochtml docmhtml docxml dothtml fdf infopathxml otm pothtml ppthtml pptmhtml pptxml pubmhtml',
    'sylk vss vst xdp xfdf xlk xlshtml xlsmhtml xlthtml xsf',
  ),
  // scripts and programs elsewhere
  ...words(
    'action appimage applescript aab bash bsh cgi cjs command crx deb desktop dex dylib fileloc fish',
    'flatpak flatpakref inetloc ipa jsp jspx ko kext lua mpkg mobileconfig osx out php php3 php4 php5 php7',
    'phar phtml pkg prefpane pm rb rbw rpm run scpt scptd service sh shar snap so swf tcl tcsh terminal',
    'tool webloc workflow xapk xpi zsh',
    'afploc apkm apks dcr ftploc mdimporter mobileprovision oex osax qlgenerator safariextz saver shortcut spl',
    'timer wdgt webarchive xip',
  ),
  // archives with hardly anything but malware; other archives are reported as archives
  'ace',
]

/**
 * Files that a browser opens and runs scripts in. "HTML smuggling" puts a program together there. Ordinary mail has
 * such files, too. {@link AttachmentChecks.htmlFiles} says what to do with them.
 */
export const HTML_EXTENSIONS: readonly string[] = words(
  'htm html shtm shtml xht xhtm xhtml svg svgz mht mhtml',
)

/** The extensions that are blocked by default. */
export const DANGEROUS_EXTENSIONS: readonly string[] = [
  ...new Set([
    ...PYMILTER_EXTENSIONS,
    ...OUTLOOK,
    ...GMAIL,
    ...FILTERS,
    ...OTHERS,
    ...HTML_EXTENSIONS,
  ]),
].toSorted()
